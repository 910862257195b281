"""Splits terminal output into text and escape sequences."""
from .plain import strip, visible_length
from .tokenizer import Tokenizer
from .tokens import Control, Text, Title

__all__ = ["Control", "Text", "Title", "Tokenizer", "strip", "visible_length"]
