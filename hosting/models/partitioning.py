"""Tables that grow with time, cut into partitions by it, so that old rows go as a whole table.

The model of such a table is a plain one: ``managed``, with the time in its primary key
(``CompositePrimaryKey``), as every unique constraint of it must have it. In the migration that
``makemigrations`` writes, ``CreateModel`` is replaced by ``CreatePartitioned(by=...)``; the table
is then named in ``hosting.services.measuring.partitions.TABLES``, which makes the partitions and
drops them.

Give such a model no foreign key that the database knows of (``db_constraint=False``): attaching a
partition would lock the other table as well.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState


class CreatePartitioned(CreateModel):
    """Makes the model's table partitioned by ranges of the column ``by``, with a default partition.

    What no other partition holds goes to the default one, so that a missing partition loses
    nothing.
    """

    def __init__(self, *args: Any, by: str, **kwargs: Any) -> None:
        self.by = by
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """As Django's own, with the column."""
        name, args, kwargs = super().deconstruct()
        return name, list(args), {**kwargs, "by": self.by}

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the table and its default partition; what is indexed on it is on all partitions."""
        model = to_state.apps.get_model(app_label, self.name)
        quoted = schema_editor.connection.ops.quote_name
        plain = schema_editor.sql_create_table
        schema_editor.sql_create_table = f"{plain} PARTITION BY RANGE ({quoted(self.by)})"
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        table = model._meta.db_table
        schema_editor.execute(
            f"CREATE TABLE {quoted(default_of(table))} PARTITION OF {quoted(table)} DEFAULT"
        )


def default_of(table: str) -> str:
    """The partition that takes what no other holds."""
    return f"{table}_default"
