"""From a recipe to weights. Torch is imported only inside this folder (extra ``train``)."""
