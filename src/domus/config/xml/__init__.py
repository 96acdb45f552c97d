"""XML: xm's own (`xm create --xmldryrun`, XML defconfigs), and libvirt's domains for Xen as an import."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Final

from domus.config.document import Document
from domus.config.problems import Place, Report

if TYPE_CHECKING:
    from domus.config.detection import Read

_DANGEROUS: Final = re.compile(r"<!(?:ENTITY|DOCTYPE[^>]*\[)", re.IGNORECASE)
_MOST_NESTED: Final = 60


def read_xml(report: Report) -> Read:
    """The document of an XML text, of xm's or of libvirt's.

    Raises:
        InvalidConfig: it is not well-formed, or no domain.
    """
    from domus.config.detection import Read

    root = _parsed(report)
    if root.tag in ("xm", "vm"):
        from domus.config.xml.xm import document_of

        return Read(Document(report, "xm", document_of(report, root)), "xml")
    if root.tag in ("domain", "domains"):
        from domus.config.xml.libvirt import document_of as of_libvirt

        return Read(Document(report, "xl", of_libvirt(report, root)), "libvirt")
    raise report.fail(f"<{root.tag[:40]}> is no domain", hint="expected <xm> of xm, or <domain> of libvirt")


def _parsed(report: Report) -> ET.Element:
    text = report.source.text
    declaration = _DANGEROUS.search(text)
    if declaration is not None:
        raise report.fail("declarations of entities are refused", report.source.place(declaration.start()))
    parser = ET.XMLParser(target=_Bounded())  # noqa: S314 - without entities, and of bounded depth
    try:
        parser.feed(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # it is text already, whatever its encoding was
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        line, column = error.position
        raise report.fail(f"this is not XML: {error.msg.split(':')[0]}", Place(line, column + 1)) from None
    except (ValueError, LookupError, RecursionError) as error:
        raise report.fail(f"this is not XML: {error}") from None
    return root


class _Bounded(ET.TreeBuilder):
    """Builds a tree of bounded depth."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise ValueError("elements are nested too deeply")
        return super().start(tag, attrs)

    def end(self, tag: str) -> ET.Element:
        self.depth -= 1
        return super().end(tag)
