#!/bin/sh
# Makes a role and a database for MLflow and for Prefect. PostgreSQL's image runs it when it makes
# its data folder, and never again; PGHOST, PGPORT and SECRETS say where else it is to look.
set -eu
secrets="${SECRETS:-/run/secrets}"
for name in mlflow prefect; do
    # No password in a command line: psql reads it from the file.
    SECRET_FILE="$secrets/${name}_database_password" \
        psql --no-psqlrc --quiet --username postgres --dbname postgres \
        --set ON_ERROR_STOP=1 --set name="$name" <<'SQL'
\set password `cat "$SECRET_FILE"`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
