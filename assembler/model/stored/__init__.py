"""Parameter files: what they hold is known when they are opened, and their arrays are read one at a time."""

from assembler.model.stored.opened import ArraySpec as ArraySpec
from assembler.model.stored.opened import ParameterFile as ParameterFile
from assembler.model.stored.opening import open_file as open_file
