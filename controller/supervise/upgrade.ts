/**
 * Puts this program in the place of the controller that runs, while Apps and sites serve and requests to the API wait in its socket. When
 * the new one does not become ready, the one before runs again, with the database as it was. `holdfast upgrade` calls it.
 */
import { delay } from '../clock.ts';
import { type Layout, serveArguments } from './layout.ts';
import type { LocalApi } from './local-api.ts';
import { readOrders } from './orders.ts';
import { commandLine, liveRecord } from './processes.ts';
import { order, recordsOf, type Start, startController, takesOrders } from './start.ts';
import { putStoreBack } from './store-copy.ts';
import {
  CONTROLLER_UNIT,
  hasSystemd,
  readUnits,
  removeStandIn,
  restoreUnits,
  standIn,
  systemctl,
} from './units.ts';

export interface UpgradeOptions extends Start {
  api: LocalApi;
  /** Of this program. */
  version: string;
  readySeconds: number;
}

export type Upgraded = { ok: true; before: string } | { ok: false; before: string; message: string };

/** How long it must stay ready until it counts. */
const STEADY_SECONDS = 3;
const BACK_SECONDS = 120;

/** The controller runs and is ready now. */
export async function upgradeController(options: UpgradeOptions): Promise<Upgraded> {
  const { api, clock, version } = options;
  const before = (await api.version()) ?? 'the one before';
  const since = clock.now();
  const back = hasSystemd() ? await backByUnits() : backByOrders(options);
  const failure = await start(options).catch((error: unknown) => wordsOf(error));
  if (failure === undefined) return { ok: true, before };
  await back(async () => {
    await putStoreBack(options.places.state, since, version);
  });
  // However little time the new one had: this one has done nothing wrong.
  const again = await ready({ ...options, readySeconds: BACK_SECONDS }, before);
  const after =
    again === undefined
      ? `${before} runs again`
      : `${before} was started again, but is not ready either: ${again}`;
  return { ok: false, before, message: `${version} ${failure}; ${after}` };
}

function wordsOf(error: unknown): string {
  return `did not start: ${error instanceof Error ? error.message : String(error)}`;
}

/** In words why it does not count as started. */
async function start(options: UpgradeOptions): Promise<string | undefined> {
  const { places, api, clock } = options;
  const record = recordsOf(places).controller;
  const old = hasSystemd() ? undefined : liveRecord(record);
  await startController(options, api);
  const deadline = clock.monotonic() + options.readySeconds * 1000;
  // Asked too early the old one would answer.
  while (old !== undefined && liveRecord(record)?.pid === old.pid) {
    if (clock.monotonic() > deadline) return 'was not started, for the one before does not end';
    await delay(clock, 100);
  }
  return ready(options, options.version);
}

/** undefined when this version answers, is ready, and stays so for a while. */
async function ready(
  { api, clock, readySeconds, places }: UpgradeOptions,
  version: string,
): Promise<string | undefined> {
  const deadline = clock.monotonic() + readySeconds * 1000;
  let since: { at: number; process: string } | undefined;
  while (clock.monotonic() < deadline) {
    const process = await processOf(places);
    const isIt = (await api.version().catch(() => undefined)) === version && (await api.isReady());
    if (!isIt || (since && since.process !== process)) since = undefined;
    else since ??= { at: clock.monotonic(), process };
    if (since && clock.monotonic() - since.at >= STEADY_SECONDS * 1000) return undefined;
    await delay(clock, 200);
  }
  return `did not become ready within ${readySeconds} s`;
}

/** Another text for each life of the controller. */
async function processOf(places: Layout): Promise<string> {
  if (!hasSystemd()) return JSON.stringify(liveRecord(recordsOf(places).controller) ?? '');
  return (await systemctl('show', '--property=MainPID,NRestarts', CONTROLLER_UNIT)).output;
}

/** What puts the program before in its place again; `between` runs while none does. */
type Back = (between: () => Promise<void>) => Promise<void>;

async function backByUnits(): Promise<Back> {
  const units = await readUnits();
  return async (between) => {
    // A stopped unit would be started again by the next request to its socket.
    await standIn(CONTROLLER_UNIT);
    await between();
    await removeStandIn(CONTROLLER_UNIT);
    await restoreUnits(units);
    await systemctl('reset-failed', CONTROLLER_UNIT);
    await systemctl('restart', CONTROLLER_UNIT);
  };
}

function backByOrders({ places, clock }: UpgradeOptions): Back {
  const records = recordsOf(places);
  const running = liveRecord(records.controller);
  const said = takesOrders(records.supervisor) ? readOrders(records.orders)?.command : undefined;
  const command = said ?? (running ? commandLine(running.pid) : ['holdfast', ...serveArguments(places)]);
  return async (between) => {
    order(places, { command, paused: true });
    while (liveRecord(records.controller) !== undefined) await delay(clock, 100);
    await between();
    order(places, { command });
  };
}
