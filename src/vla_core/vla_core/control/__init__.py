"""From action chunks to joint set-points: mux, guard, executor, as one ArmController."""
