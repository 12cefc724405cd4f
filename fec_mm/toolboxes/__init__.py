"""The three OpenMMLab toolboxes: what differs between them, their configs, their models."""
