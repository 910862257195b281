"""One trial: three containers, one gateway, one outcome."""
