// veerdb/worker: importing it makes a worker ready to run databases for `open(..., {worker})`.
export {};
