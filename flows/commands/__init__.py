"""The console command `assayline`: it starts things and shows them, and decides nothing."""
