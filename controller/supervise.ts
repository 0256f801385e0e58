/**
 * The supervisor's process, started by `holdfast up` in a session of its own where there is no systemd:
 * `supervise RECORD CHILD-RECORD LOG FOLDER ORDERS PROGRAM…`. SIGTERM ends the program and then itself, SIGHUP the program, which is
 * then started as the orders say. It must stay small: it is what has to be alive when everything else is not.
 */
import { systemClock } from './clock.ts';
import { heldSocket } from './supervise/held-socket.ts';
import { limits, Restart, supervise } from './supervise/loop.ts';
import { describeProcess, removeRecord, writeRecord } from './supervise/processes.ts';

const [own = '', record = '', log = '', cwd = '', orders = '', ...command] = process.argv.slice(2);
if (command.length === 0) throw new Error('usage: supervise RECORD CHILD-RECORD LOG FOLDER ORDERS PROGRAM…');

const self = describeProcess(process.pid);
// It takes orders: `up` and `upgrade` need not end it.
if (self !== undefined) writeRecord(own, self, { takesOrders: true });
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
const restart = new Restart();
process.on('SIGHUP', () => restart.ask());
const socket = heldSocket(process.env, process.pid);
const wanted = { command, cwd, log, record, orders, ...(socket === undefined ? {} : { socket }) };
await supervise(wanted, systemClock, stop.signal, limits, restart);
removeRecord(own);
