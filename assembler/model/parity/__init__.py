"""A model and a PyTorch module with the same weights, compared layer by layer."""

from assembler.model.parity.compare import Comparing as Comparing
from assembler.model.parity.compare import Comparison as Comparison
from assembler.model.parity.compare import Finding as Finding
from assembler.model.parity.hand_over import hand_over as hand_over
