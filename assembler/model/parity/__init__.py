"""A model and a PyTorch module with the same weights, compared layer by layer."""

from assembler.model.parity.compare import Comparing as Comparing
from assembler.model.parity.hand_over import hand_over as hand_over
from assembler.model.parity.report import Comparison as Comparison
from assembler.model.parity.report import Finding as Finding
