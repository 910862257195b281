"""Keep results healthy: doctor and gc."""
