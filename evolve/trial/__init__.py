"""Run one trial: three containers, one gateway, one outcome."""
