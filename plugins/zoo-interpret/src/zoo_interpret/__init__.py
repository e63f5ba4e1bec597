"""Reading and changing attention in trained models: probes, pruning, interventions."""
