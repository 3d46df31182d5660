"""A gymnasium environment of the plant: for those who want to learn a policy in place of ours.

Rule: it shows what a metrics pipeline could have told, and scores by what the plant's account
says.  It needs the package ``gymnasium`` (``pip install gymnasium``), and nothing else of
Foretide needs it.
"""

try:
    from lab.env.fleet import FleetEnv
except ModuleNotFoundError as error:
    if error.name != "gymnasium":
        raise
    raise ImportError(
        "lab.env.FleetEnv needs gymnasium, which is not installed: pip install gymnasium"
    ) from error

__all__ = ["FleetEnv"]
