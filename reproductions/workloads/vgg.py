"""VGG networks for small images (Simonyan & Zisserman 2014) from torchvision's layers.

The convolutions are those of the paper; as usual for 32x32 images one linear layer follows the last pooling in place of
three, which 512 features do not need. Batch norm is an option, as the papers that train "VGG-16" rarely say.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


@dataclass(frozen=True)
class Vgg:
    """VGG for (B, 3, 32, 32) images.

    Parameters
    ----------
    layers
        11, 13, 16 or 19.
    width
        Channels of the first stage; stages have 1, 2, 4, 8 and 8 times as many.
    batch_norm
        Normalize after every convolution.

    Raises
    ------
    ValueError
        If there is no VGG of so many layers.
    """

    layers: int = 16
    width: int = 64
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.layers not in _STAGES:
            raise ValueError(f"layers is {self.layers}, but VGG has {', '.join(map(str, _STAGES))}")

    @property
    def sample_seconds(self) -> float:
        """Rough time of one CPU core for the gradient of one sample."""
        return float(2.5e-2 * (self.layers / 16) * (self.width / 64) ** 1.7)

    def build(self, classes: int = 10) -> nn.Sequential:
        """Return a fresh network, convolutions He-normal as torchvision starts them."""
        from torchvision.models.vgg import make_layers

        plan: list[str | int] = []
        for factor, count in zip((1, 2, 4, 8, 8), _STAGES[self.layers], strict=True):
            plan += [*[self.width * factor] * count, "M"]
        features = make_layers(plan, self.batch_norm)
        for module in features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        return nn.Sequential(features, nn.Flatten(), nn.Linear(8 * self.width, classes))
