/**
 * The supervisor's process, started by `holdfast up` in a session of its own where there is no systemd:
 * `supervise RECORD CHILD-RECORD LOG FOLDER PROGRAM…`. SIGTERM ends the program and then itself. It must stay small: it is
 * what has to be alive when everything else is not.
 */
import { systemClock } from './clock.ts';
import { supervise } from './supervise/loop.ts';
import { describeProcess, removeRecord, writeRecord } from './supervise/processes.ts';

const [own = '', record = '', log = '', cwd = '', ...command] = process.argv.slice(2);
if (command.length === 0) throw new Error('usage: supervise RECORD CHILD-RECORD LOG FOLDER PROGRAM…');

const self = describeProcess(process.pid);
if (self !== undefined) writeRecord(own, self);
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
process.on('SIGHUP', () => undefined);
await supervise({ command, cwd, log, record }, systemClock, stop.signal);
removeRecord(own);
