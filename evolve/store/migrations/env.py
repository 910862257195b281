"""Alembic's entry point: migrates over the connection that `evolve.store.database` passes in."""

from alembic import context

from evolve.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
