"""Reports: tables, figures and pages from results computed elsewhere."""

from metastructure.report.bars import FAMILIES, Bar
from metastructure.report.page import Example, Page, Section, render_page, write_page

__all__ = ["FAMILIES", "Bar", "Example", "Page", "Section", "render_page", "write_page"]
