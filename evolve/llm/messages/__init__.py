"""Anthropic's Messages API: requests and answers in the form of chat completions, sent as turns of content blocks.

`wire` needs the extra `anthropic`, and is imported only for a model of this API.
"""
