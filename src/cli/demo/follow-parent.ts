/** Loaded into the gateway of the demonstration: when the demonstration is killed, its gateway stops, cleanly, too. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
