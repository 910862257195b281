"""One role of the team: its own prompt, tools, settings and conversation with the model."""

import json

import evolve_door as door
from settings import SETTINGS, prompt
from tools import call_tool

FORGOTTEN = "(left out)"


class Role:
    """`name` is that of its prompt and of its section in the settings; `submit`: the tool that ends its work."""

    def __init__(self, name, tools, submit):
        self.settings, self.tools, self.submit = SETTINGS[name], [*tools, submit], submit["function"]["name"]
        self.messages = [{"role": "system", "content": prompt(name)}]

    def work(self, words):
        """Told `words`, it works until it submits, speaks, or has used its steps. -> (submitted, its last words)"""
        self.messages.append({"role": "user", "content": words})
        for _ in range(self.settings["max_steps"]):
            reply = self.reply()
            self.messages.append(reply)
            calls = reply.get("tool_calls") or []
            if not calls:
                return False, reply.get("content") or ""
            results = [self.result(call) for call in calls]
            if None in results:
                return True, reply.get("content") or ""
        return False, ""

    def reply(self):
        """The model's next message; where the conversation is too long for it, what tools said earlier is left out."""
        while True:
            try:
                return door.chat(self.messages, self.tools, temperature=self.settings["temperature"])
            except door.DoorError as error:
                if error.code != "context_length_exceeded" or not self.forgot():
                    raise

    def forgot(self):
        """Leave out the longer half of what is left of the tools' words; False where there is nothing left."""
        said = [message for message in self.messages if message["role"] == "tool" and message["content"] != FORGOTTEN]
        said.sort(key=lambda message: -len(message["content"]))
        for message in said[: (len(said) + 1) // 2]:
            message["content"] = FORGOTTEN
        return bool(said)

    def result(self, call):
        """Of one tool call, told to the model; None for the call that ends the work."""
        name, result = call["function"]["name"], None
        if name == self.submit:
            text = "thank you"
        else:
            text = result = self.carried_out(name, call["function"]["arguments"])
        self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
        return result

    def carried_out(self, name, arguments):
        try:
            return call_tool(name, json.loads(arguments))
        except ValueError:
            return "error: the arguments are not JSON"
