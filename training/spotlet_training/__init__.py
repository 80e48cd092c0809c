"""Training: labelled images in, a checkpoint out. The parts are its modules; see `training`."""
