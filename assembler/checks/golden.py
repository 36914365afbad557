"""Whether the output equals a stored one."""

from pathlib import Path

from assembler.checks.base import check
from assembler.errors import SettingsError
from assembler.files import replacing
from assembler.model.inputs import Array, load_array
from assembler.model.subject import Outcome, Subject, difference
from assembler.settings import ArrayFile


@check
def golden(subject: Subject, output: Array, file: ArrayFile, atol: float | None = None) -> Outcome:
    """Whether the output equals a stored .npy file. Measured: the largest difference.

    Values may differ by ``atol``, by default 16 roundings, more for long sums, at the largest magnitude of any layer's
    output. If the check fails, the output is saved in the run folder as ``golden.npy``; if it is correct, store that
    file.

    Raises:
        SettingsError: the file is not a .npy file.
    """
    try:
        stored = load_array(Path(file))
    except FileNotFoundError:
        return Outcome("golden", False, None, None, f"{file} does not exist{_leave(subject, output)}")
    except ValueError as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    bound = subject.tolerance(16) if atol is None else atol
    if stored.shape != output.shape:
        said = f"{file} has shape {list(stored.shape)}, and the output {list(output.shape)}"
        return Outcome("golden", False, None, None, said + _leave(subject, output))
    apart = difference([output], [stored])
    detail = "" if apart <= bound else _leave(subject, output).lstrip("; ")
    return Outcome("golden", apart <= bound, apart, bound, detail, relation="<=")


def _leave(subject: Subject, output: Array) -> str:
    import numpy as np

    if subject.folder is None:
        return ""
    with replacing(subject.folder / "golden.npy") as new:
        np.save(new, output, allow_pickle=False)
    return "; the output is in golden.npy in the run folder"
