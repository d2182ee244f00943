"""Figures whose single rounds were not kept, as Markdown tables: cells are what a command printed.

A file is {"kind": "printed", "tables": [{"name", "about", "columns", "rows"}]}. Columns that begin with "<" hold words.
"""


def tables(results):
    return "\n".join(line for one in results["tables"] for line in ["", *table(one)])


def table(one):
    titles = [title.removeprefix("<") for title in one["columns"]]
    rules = ["---" if title.startswith("<") else "---:" for title in one["columns"]]
    head, *body = (f"| {' | '.join(row)} |" for row in [titles, *one["rows"]])
    return [one["about"], "", head, f"|{'|'.join(rules)}|", *body]
