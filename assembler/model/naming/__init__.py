"""Names of parameters elsewhere ↔ those of a model: ``bn1.running_var`` ↔ ``1.moving_variance``."""

from assembler.model.naming.assign import Refused as Refused
from assembler.model.naming.assign import assign as assign
from assembler.model.naming.decide import decide as decide
from assembler.model.naming.mapping import Assignment as Assignment
from assembler.model.naming.mapping import NameMapping as NameMapping
from assembler.model.naming.mapping import Transform as Transform
from assembler.model.naming.mapping_file import entries as entries
from assembler.model.naming.mapping_file import read_mapping as read_mapping
from assembler.model.naming.mapping_file import to_yaml as to_yaml
from assembler.model.naming.published import in_torch as in_torch
from assembler.model.naming.published import owners as owners
from assembler.model.naming.roles import is_computed as is_computed
from assembler.model.naming.targets import Targets as Targets
from assembler.model.naming.targets import targets_of as targets_of
from assembler.model.naming.targets import targets_of_model as targets_of_model
