"""What a payload of an edge node has that it must not have, at every level.

protobuf keeps fields that a message does not know, and says nothing: they are looked for here. A field that the specification has
and that Sluice never says (docs/reference/formats/sparkplug-b.md) is a fault as well: a wrong number of a field shows so.
"""

VALUES = {"int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value"}
SAID = {
    "Payload": {"timestamp", "metrics", "seq"},
    "Metric": {"name", "alias", "timestamp", "datatype", "is_historical", "is_null", "properties"} | VALUES,
    "PropertySet": {"keys", "values"},
    "PropertyValue": {"type", "int_value", "string_value"},
}
# The value of a property, by its type.
PROPERTY = {3: "int_value", 12: "string_value"}


def strangers(message, path=""):
    """Words for each, with its place."""
    kind = message.DESCRIPTOR.name
    found = [f"{path}{field.field_number} is a field that {kind} does not have" for field in message.UnknownFields()]
    for descriptor, value in message.ListFields():
        name = path + descriptor.name
        if descriptor.name not in SAID.get(kind, ()):
            found.append(f"{name} is a field of {kind} that no edge node of Sluice says")
        if descriptor.type != descriptor.TYPE_MESSAGE:
            continue
        many = value if descriptor.label == descriptor.LABEL_REPEATED else [value]
        for i, one in enumerate(many):
            found += strangers(one, f"{name}[{i}]." if many is value else f"{name}.")
    if kind == "PropertySet" and len(message.keys) != len(message.values):
        found.append(f"{path}keys and values differ in number")
    if kind == "PropertyValue" and message.WhichOneof("value") != PROPERTY.get(message.type, ""):
        found.append(f"{path}{message.WhichOneof('value')} is no value of the type {message.type}")
    return found
