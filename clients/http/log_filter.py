"""Keeping the queries of addresses, in which users may have put keys, out of what HTTP libraries log."""

from __future__ import annotations

import logging


class _WithoutQuery(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(str(each).partition("?")[0] if "?" in str(each) else each for each in record.args)
        return True


def filter_queries(logger_name: str) -> None:
    """Put our filter into a library's logger, in place of the one of an earlier import: Blender reloads extensions, not
    their libraries.
    """
    logger = logging.getLogger(logger_name)
    for each in list(logger.filters):
        if type(each).__name__ == _WithoutQuery.__name__:
            logger.removeFilter(each)
    logger.addFilter(_WithoutQuery())
