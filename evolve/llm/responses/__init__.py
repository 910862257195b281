"""OpenAI's Responses API: requests and answers in the form of chat completions, sent as input and output items."""
