"""Values that every part uses: records, errors, configuration, caps. Imports nothing of evolve above itself."""
