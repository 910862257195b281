"""Values that every package uses: records, errors, configuration, caps. Imports no other package of evolve."""
