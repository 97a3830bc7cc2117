"""Arguments of `rabbitmqctl`."""


def option(arguments, name, default):
    """Takes `name value` out of the arguments."""
    if name not in arguments:
        return default
    index = arguments.index(name)
    value = arguments[index + 1]
    del arguments[index : index + 2]
    return value
