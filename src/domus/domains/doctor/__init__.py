"""`xm doctor`, the part that runs within xend: examines the host and says how to mend what it finds.

First the facts are gathered (`facts`), then each check is a function from facts to findings. Nothing is
changed, nothing is started.
"""

from domus.domains.doctor.examine import Doctor

__all__ = ["Doctor"]
