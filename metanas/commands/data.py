"""`metanas data ...`: the data of the suites. Torch-free."""

from metanas.commands.common import AsJson, Root, group, print_rows

app = group("The data of the suites.")


@app.command()
def status(root: Root = None, as_json: AsJson = False) -> None:
    """What is ready, what is a sample, what is missing, and how to get it."""
    from metanas import listing

    print_rows(listing.data_status(root), ("name", "state", "next"), as_json=as_json)
