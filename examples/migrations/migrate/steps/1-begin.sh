echo "name,amount" >/data/ledger.csv
