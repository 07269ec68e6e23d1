"""Reads exported files with DuckDB and tells, as one JSON object, what SQL says of them."""

import json
import sys

import duckdb

FORMATS = ("csv", "jsonl", "parquet")

# Period, currency and amount of a row, for each layout.
LAYOUTS = {
    "ledger": ("period", "currency", "amount"),
    "vendor": ("'all'", "Currency", "Subtotal"),
    "focus": ("substr(CAST(BillingPeriodStart AS VARCHAR), 1, 7)", "BillingCurrency", "BilledCost"),
}


def source(folder, layout, form):
    """The rows of a file; of text files, every column as the text that is written there."""
    path = f"{folder}/{layout}.{form}"
    if form == "csv":
        return f"read_csv('{path}', all_varchar = true, header = true, strict_mode = true)"
    if form == "jsonl":
        return f"read_json('{path}', format = 'newline_delimited')"
    return f"read_parquet('{path}')"


def main(folder):
    """Prints what was found."""
    ask = duckdb.connect().execute
    found = {"sums": {}, "types": {}, "rows": {}, "names": {}}
    for layout, (period, currency, amount) in LAYOUTS.items():
        for form in FORMATS:
            rows = source(folder, layout, form)
            name = f"{layout}.{form}"
            where = "WHERE ChargeCategory <> 'Tax'" if layout == "focus" else ""
            sums = ask(
                f"SELECT {period}, {currency}, sum(CAST({amount} AS DECIMAL(38, 2)))"
                f" FROM {rows} {where} GROUP BY ALL ORDER BY ALL"
            )
            # What lies in a period with nothing billed adds nothing.
            found["sums"][name] = [[p, c, str(a)] for p, c, a in sums.fetchall() if a]
            found["rows"][name] = ask(f"SELECT count(*) FROM {rows}").fetchone()[0]
        described = ask(f"DESCRIBE SELECT * FROM {source(folder, layout, 'parquet')}")
        found["types"][layout] = {row[0]: row[1] for row in described.fetchall()}
        customer = {"ledger": "customer_name", "vendor": "CustomerName", "focus": "SubAccountName"}
        names = [
            ask(
                f"SELECT DISTINCT {customer[layout]} FROM {source(folder, layout, form)} ORDER BY 1"
            ).fetchall()
            for form in FORMATS
        ]
        found["names"][layout] = [[name for (name,) in names] for names in names]
    focus = source(folder, "focus", "parquet")
    billed = ask(
        f"SELECT strftime(BillingPeriodStart, '%Y-%m'), BillingCurrency, sum(BilledCost)"
        f" FROM {focus} WHERE InvoiceId IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    found["invoiced"] = [[p, c, str(a)] for p, c, a in billed.fetchall()]
    found["not_the_product"] = ask(
        f"SELECT count(*) FROM {focus} WHERE ChargeClass IS NULL AND ChargeCategory NOT IN ('Tax', 'Credit') AND ("
        " CAST(ContractedUnitPrice AS DECIMAL(18, 10)) * CAST(PricingQuantity AS DECIMAL(18, 8))"
        " IS DISTINCT FROM ContractedCost)"
    ).fetchone()[0]
    json.dump(found, sys.stdout)


main(sys.argv[1])
