"""Checks a FOCUS 1.2 export and its metadata against the table of columns below. It shares no code with Curfew.

As a program: focus_checker.py FILE.csv; its findings are printed, one a line, and the exit code is 1 when there are any."""

import csv
import datetime
import json
import pathlib
import re
import sys
from decimal import Decimal

SERVICES = ("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools", "Identity",
            "Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile", "Multicloud",
            "Networking", "Security", "Storage", "Web", "Other")
SUBSERVICES = {"AI and Machine Learning": ("AI Platforms",), "Compute": ("Virtual Machines",),
               "Storage": ("Backup Storage", "Block Storage", "File Storage", "Object Storage", "Other (Storage)"),
               "Networking": ("Network Infrastructure",), "Other": ("Other (Other)",)}
UNITS = ("Hours", "GB-Hours", "GB-Months")

# name, type, may it be null?, allowed values; the mandatory ones, in order.
MANDATORY = [
    ("BilledCost", "Decimal", False, None),
    ("EffectiveCost", "Decimal", False, None),
    ("ListCost", "Decimal", False, None),
    ("ContractedCost", "Decimal", False, None),
    ("BillingAccountId", "String", False, None),
    ("BillingAccountName", "String", True, None),
    ("BillingCurrency", "String", False, ("USD",)),
    ("BillingPeriodStart", "DateTime", False, None),
    ("BillingPeriodEnd", "DateTime", False, None),
    ("ChargePeriodStart", "DateTime", False, None),
    ("ChargePeriodEnd", "DateTime", False, None),
    ("ChargeCategory", "String", False, ("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    ("ChargeClass", "String", True, ("Correction",)),
    ("ChargeDescription", "String", True, None),
    ("InvoiceIssuerName", "String", False, None),
    ("ProviderName", "String", False, None),
    ("PublisherName", "String", False, None),
    ("PricingQuantity", "Decimal", True, None),
    ("PricingUnit", "String", True, UNITS),
    ("ServiceCategory", "String", False, SERVICES),
    ("ServiceName", "String", False, None),
]
# Those that may follow, in order; each may be left out as a whole.
CONDITIONAL = [
    ("RegionId", "String", True, None),
    ("RegionName", "String", True, None),
    ("ResourceId", "String", True, None),
    ("ResourceName", "String", True, None),
    ("ResourceType", "String", True, None),
    ("SubAccountId", "String", True, None),
    ("SubAccountName", "String", True, None),
    ("SubAccountType", "String", True, None),
    ("BillingAccountType", "String", True, None),
    ("SkuId", "String", True, None),
    ("SkuPriceId", "String", True, None),
    ("SkuMeter", "String", True, None),
    ("SkuPriceDetails", "JSON", True, None),
    ("ListUnitPrice", "Decimal", True, None),
    ("ContractedUnitPrice", "Decimal", True, None),
    ("PricingCategory", "String", True, ("Standard", "Dynamic")),
    ("ConsumedQuantity", "Decimal", True, None),
    ("ConsumedUnit", "String", True, UNITS),
    ("ChargeFrequency", "String", True, ("Usage-Based", "One-Time", "Recurring")),
    ("ServiceSubcategory", "String", True, None),
    ("AvailabilityZone", "String", True, None),
    ("Tags", "JSON", True, None),
]
OWN = [
    ("x_CurfewRule", "String", True, None),
    ("x_QuietSeconds", "Decimal", True, None),
    ("x_Source", "String", False, ("own", "provider", "adjustment")),
]
COLUMNS = {name: rest for name, *rest in MANDATORY + CONDITIONAL + OWN}
PLACEHOLDERS = {"null", "none", "n/a", "na", "nil", "unknown", "undefined", "-", "?", "not applicable", "tbd"}
DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE]-?\d+)?")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SKU_KEYS = {"CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceSeries", "InstanceType", "MemorySize",
            "MemoryType", "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy", "StorageClass"}
NANO = Decimal("0.000000001")


def stamp(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def check_head(head):
    names = [name for name, *_ in MANDATORY]
    for name in names:
        if name not in head:
            yield f"column {name} is missing"
    for name in head:
        if head.count(name) > 1:
            yield f"column {name} is there {head.count(name)} times"
        if name not in COLUMNS:
            yield f"column {name} is neither in FOCUS 1.2 nor ours" if name.startswith("x_") else f"column {name} is unknown"
        if not re.fullmatch(r"(x_)?[A-Z][A-Za-z0-9]*", name):
            yield f"column {name} is not in PascalCase"
    own = [name.startswith("x_") for name in head]
    if own != sorted(own):
        yield "a column of FOCUS comes after one of ours"
    wanted = [name for name in COLUMNS if name in head]
    if [name for name in head if name in COLUMNS] != wanted:
        yield "the columns are not in the order of the table"


def check_value(name, text):
    """`text` is None for null."""
    kind, nullable, allowed = COLUMNS[name]
    if text is None:
        if not nullable:
            yield f"{name} is null"
        return
    if text.strip().lower() in PLACEHOLDERS:
        yield f"{name} holds a placeholder: {text!r}"
    if text != text.strip():
        yield f"{name} begins or ends with a space"
    if allowed and text not in allowed:
        yield f"{name} may not be {text!r}"
    if kind == "Decimal":
        if not DECIMAL.fullmatch(text):
            yield f"{name} is no decimal: {text!r}"
        elif name in ("PricingQuantity", "ConsumedQuantity") and len(text.partition(".")[2]) != 12:
            yield f"{name} has not twelve digits after the point: {text!r}"
    if kind == "DateTime":
        try:
            if not STAMP.fullmatch(text):
                raise ValueError
            stamp(text)
        except ValueError:
            yield f"{name} is no time in UTC: {text!r}"
    if kind == "JSON":
        try:
            value = json.loads(text)
            if not isinstance(value, dict) or any(isinstance(v, (dict, list)) for v in value.values()):
                yield f"{name} is not one flat object: {text!r}"
            elif name == "SkuPriceDetails" and any(k not in SKU_KEYS and not k.startswith("x_") for k in value):
                yield f"{name} has a key that FOCUS does not define: {text!r}"
        except ValueError:
            yield f"{name} is no JSON: {text!r}"


def check_row(row):
    """`row`: by column; every value has been found good by itself."""
    get = row.get
    begin, end = stamp(row["ChargePeriodStart"]), stamp(row["ChargePeriodEnd"])
    month, next_month = stamp(row["BillingPeriodStart"]), stamp(row["BillingPeriodEnd"])
    if begin >= end:
        yield "the charge period has no length"
    if end - begin > datetime.timedelta(hours=1, seconds=1) and get("x_Source") != "adjustment":
        yield "the charge period is longer than an hour"
    if month.day != 1 or (month.hour, month.minute, month.second) != (0, 0, 0):
        yield "BillingPeriodStart is not the beginning of a month"
    if next_month != (month.replace(day=28) + datetime.timedelta(days=4)).replace(day=1):
        yield "BillingPeriodEnd is not the beginning of the next month"
    if not month <= begin < next_month:
        yield "the charge begins outside its billing period"
    for cost in ("BilledCost", "ListCost", "ContractedCost", "EffectiveCost"):
        if Decimal(row[cost]) < 0 and get("x_Source") != "adjustment" and row["ChargeCategory"] != "Credit":
            yield f"{cost} is negative"
    if row["ChargeCategory"] == "Credit" and len({Decimal(row[c]) for c in ("BilledCost", "ListCost", "ContractedCost",
                                                                              "EffectiveCost")}) != 1:
        yield "the costs of a credit differ"
    if row["ChargeCategory"] == "Usage" and (row["PricingQuantity"] is None or row["PricingUnit"] is None):
        yield "usage without a quantity or unit"
    if get("ListUnitPrice") is not None and row["PricingQuantity"] is not None and row["ChargeClass"] is None:
        if Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"]) != Decimal(row["ListCost"]):
            yield f"PricingQuantity x ListUnitPrice is not ListCost: {row['PricingQuantity']} x {row['ListUnitPrice']}"
        if row["x_Source"] == "own" and abs(Decimal(row["ListCost"]) - Decimal(row["BilledCost"])) >= NANO:
            yield "ListCost and BilledCost differ by a nano or more"
    if get("ContractedUnitPrice") is not None and row["PricingQuantity"] is not None and row["ChargeClass"] is None:
        if Decimal(row["PricingQuantity"]) * Decimal(row["ContractedUnitPrice"]) != Decimal(row["ContractedCost"]):
            yield "PricingQuantity x ContractedUnitPrice is not ContractedCost"
    if (get("SubAccountId") is None) != (get("SubAccountType") is None):
        yield "SubAccountType goes with SubAccountId"
    if (get("ConsumedQuantity") is None) != (get("ConsumedUnit") is None):
        yield "ConsumedUnit goes with ConsumedQuantity"
    if get("ServiceSubcategory") is not None and row["ServiceSubcategory"] not in SUBSERVICES.get(row["ServiceCategory"], ()):
        yield f"ServiceSubcategory {row['ServiceSubcategory']!r} does not belong to {row['ServiceCategory']!r}"
    if row["ServiceCategory"] != "Storage" and row["PricingUnit"] not in (None, "Hours"):
        yield "only storage is priced by its size"


def check_metadata(path, head, rows):
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        yield f"the metadata cannot be read: {e}"
        return
    for key in ("SchemaId", "FocusVersion", "DataGenerator", "CreationDate", "ColumnDefinition"):
        if not data.get(key):
            yield f"metadata: {key} is missing"
    if data.get("FocusVersion") != "1.2":
        yield f"metadata: FocusVersion is {data.get('FocusVersion')!r}"
    if not STAMP.fullmatch(re.sub(r"\.\d+Z$", "Z", str(data.get("CreationDate")))):
        yield "metadata: CreationDate is no time in UTC"
    columns = data.get("ColumnDefinition") or []
    if [c.get("ColumnName") for c in columns] != head:
        yield "metadata: ColumnDefinition does not name the columns of the file"
    for column in columns:
        if column.get("ColumnName") in COLUMNS and column.get("DataType") != COLUMNS[column["ColumnName"]][0]:
            yield f"metadata: {column['ColumnName']} is not of type {column.get('DataType')}"
    if data.get("x_Rows") != rows:
        yield f"metadata: x_Rows is {data.get('x_Rows')}, and {rows} are there"


def check_file(path):
    """Findings, as "line N: text"."""
    path = pathlib.Path(path)
    text = path.read_bytes()
    findings = []
    if text.startswith(b"\xef\xbb\xbf"):
        findings.append("line 1: a byte order mark")
    if text.count(b"\n") != text.count(b"\r\n"):
        findings.append("a line does not end with CR and LF")
    try:
        lines = list(csv.reader(text.decode("utf-8").splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error) as e:
        return [*findings, f"no CSV in UTF-8: {e}"]
    if not lines:
        return [*findings, "the file is empty"]
    head = lines[0]
    findings += [f"line 1: {f}" for f in check_head(head)]
    seen = set()
    for number, values in enumerate(lines[1:], 2):
        if len(values) != len(head):
            findings.append(f"line {number}: {len(values)} values for {len(head)} columns")
            continue
        row = {name: value if value != "" else None for name, value in zip(head, values)}
        bad = [f for name, value in row.items() if name in COLUMNS for f in check_value(name, value)]
        if not bad and all(name in row for name, *_ in MANDATORY + OWN):
            bad = list(check_row(row))
        findings += [f"line {number}: {f}" for f in bad]
        key = tuple(row.get(k) for k in ("ResourceId", "SkuMeter", "ChargePeriodStart", "x_Source", "SkuId", "BilledCost"))
        if key in seen:
            findings.append(f"line {number}: the same charge twice")
        seen.add(key)
    findings += check_metadata(path.with_name(path.name + ".metadata.json"), head, len(lines) - 1)
    return findings


if __name__ == "__main__":
    found = check_file(sys.argv[1])
    print("\n".join(found) or "no findings")
    sys.exit(1 if found else 0)
