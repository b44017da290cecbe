"""Methods that change what a model learns of groups; what each costs is measured beside it."""
