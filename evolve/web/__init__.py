"""The results in the browser, live: `evolve ui`."""
