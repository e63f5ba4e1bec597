"""transformers' Auto classes, told of the zoo's networks."""

from __future__ import annotations


def register_config() -> None:
    """``AutoConfig`` reads the ``config.json`` of ``zoo.save``."""
    from transformers.models.auto.configuration_auto import AutoConfig

    from zoo.bridges.transformers.hosted_config import ZooConfig

    AutoConfig.register(ZooConfig.model_type, ZooConfig, exist_ok=True)


def register_models() -> None:
    """``AutoModelForCausalLM`` and ``AutoModelForImageClassification`` build the networks."""
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM, AutoModelForImageClassification

    from zoo.bridges.transformers.hosted_config import ZooConfig
    from zoo.bridges.transformers.hosting import ZooForCausalLM, ZooForImageClassification

    AutoModelForCausalLM.register(ZooConfig, ZooForCausalLM, exist_ok=True)
    AutoModelForImageClassification.register(ZooConfig, ZooForImageClassification, exist_ok=True)
