import { execSync } from "node:child_process";
import OpenAI from "openai";

const client = new OpenAI();
const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: "function",
    function: {
      name: "bash",
      description: "Run a command",
      parameters: { type: "object", properties: { command: { type: "string" } }, required: ["command"] },
    },
  },
];

function run(command: string): string {
  try {
    return execSync(command, { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error: any) {
    return `exit status ${error.status}\n${error.stdout ?? ""}${error.stderr ?? ""}`;
  }
}

const instruction = process.argv[2];
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: "You are a careful engineer. Solve the task by commands." },
  { role: "user", content: instruction },
];
for (let turn = 0; turn < 30; turn++) {
  const answer = await client.chat.completions.create({ model: process.env.MODEL ?? "gpt-5", messages, tools });
  const message = answer.choices[0].message;
  messages.push(message);
  if (!message.tool_calls?.length) break;
  for (const call of message.tool_calls) {
    if (call.type !== "function") continue;
    const { command } = JSON.parse(call.function.arguments);
    messages.push({ role: "tool", tool_call_id: call.id, content: run(command) });
  }
}
