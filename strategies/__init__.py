"""What is computed (algorithms) and who speaks when (schedules)."""
