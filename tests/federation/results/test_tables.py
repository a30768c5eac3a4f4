"""The columns are the published contract; types follow from the annotations."""

import sqlite3
from dataclasses import fields

import pyarrow as pa
import pytest

from federation.results.tables import (
    TABLES,
    ClientRow,
    ExchangeRow,
    RoundRow,
    arrow_schema,
    columns,
    create_sql,
    table_of,
)

CONTRACT = {
    "rounds": (
        "run, round, schedule, algorithm, uplink_codec, downlink_codec, accuracy, loss, "
        "train_loss, clients_selected, clients_counted, clients_failed, virtual_time_s, "
        "wall_time_s, uplink_bytes, downlink_bytes, peer_bytes, raw_uplink_bytes, "
        "raw_downlink_bytes, compute_j, radio_j, waiting_j, network_j, server_j, carbon_g"
    ),
    "clients": (
        "run, round, client, device, network, region, examples, steps, train_loss, compute_s, "
        "compute_j, waiting_s, waiting_j, energy_source, status, reason"
    ),
    "exchanges": (
        "run, round, exchange, source, target, link, kind, codec, raw_bytes, sent_bytes, "
        "start_s, end_s, radio_j, network_j, status"
    ),
}


@pytest.mark.parametrize("table", CONTRACT)
def test_a_table_begins_with_the_columns_of_the_contract(table):
    promised = CONTRACT[table].split(", ")
    assert [column.name for column in columns(TABLES[table])][: len(promised)] == promised


@pytest.mark.parametrize("table", CONTRACT)
def test_columns_beyond_the_contract_are_optional(table):
    promised = CONTRACT[table].split(", ")
    assert all(field.default is None for field in fields(TABLES[table])[len(promised) :])


@pytest.mark.parametrize("table", CONTRACT)
def test_each_energy_and_carbon_figure_may_have_a_range_and_may_be_unknown(table):
    by_name = {column.name: column for column in columns(TABLES[table])}
    figures = [name for name in by_name if name.endswith(("_j", "carbon_g"))]
    assert figures
    for name in figures:
        assert by_name[name].nullable
        assert {f"{name}_low", f"{name}_high"} <= set(by_name)


def test_what_was_not_evaluated_is_null():
    nullable = {column.name for column in columns(RoundRow) if column.nullable}
    assert {"accuracy", "loss", "train_loss", "metric"} <= nullable


def test_sql_and_arrow_types_follow_from_the_annotations():
    assert create_sql(ExchangeRow).startswith(
        "CREATE TABLE exchanges (run TEXT NOT NULL, round INTEGER NOT NULL, exchange INTEGER"
    )
    assert "network_j REAL," in create_sql(ExchangeRow)
    schema = arrow_schema(ExchangeRow)
    assert schema.field("sent_bytes") == pa.field("sent_bytes", pa.int64(), nullable=False)
    assert schema.field("network_j") == pa.field("network_j", pa.float64(), nullable=True)
    assert schema.field("link") == pa.field("link", pa.string(), nullable=False)


def test_sql_refuses_a_value_of_the_wrong_type(client_row):
    database = sqlite3.connect(":memory:")
    database.execute(create_sql(ClientRow))
    marks = ", ".join("?" * len(columns(ClientRow)))
    row = client_row(1, 2, examples="many")
    values = [getattr(row, column.name) for column in columns(ClientRow)]
    with pytest.raises(sqlite3.IntegrityError, match="examples"):
        database.execute(f"INSERT INTO clients VALUES ({marks})", values)
    database.close()


def test_a_row_type_knows_its_table():
    assert [table_of(kind) for kind in (RoundRow, ClientRow, ExchangeRow)] == list(TABLES)
