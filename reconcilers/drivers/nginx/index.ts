/**
 * The one nginx that belongs to Holdfast: own prefix, own configuration, own processes, beside any other nginx on the host.
 *
 * The configuration is a set of files under one folder. `publish` writes a whole new set beside the present one, lets
 * `nginx -t` test it there, swaps a symlink and reloads: what nginx refuses never becomes the configuration, and a crash
 * at any moment leaves the old set or the new one.
 *
 * Relative paths in directives mean what they mean to nginx: `include` and certificates start at the set's own folder,
 * everything else at the prefix, the folder above. nginx.conf must say `pid run/nginx.pid;` and `error_log logs/error.log …;`:
 * by these two the driver finds the processes that are ours.
 */

/** Paths relative to the configuration folder (`nginx.conf`, `sites/wiki.conf`) to their text. */
export type ConfigFiles = ReadonlyMap<string, string>;

/** A certificate with those that lead to its root, and its key. PEM. */
export interface PemPair {
  certificate: string;
  key: string;
}

export interface NginxState {
  running: boolean;
  pid?: number;
  /** Such as 1.22.1. undefined when the program is not installed. */
  version?: string;
  /** Counts the published sets; 0 before the first. */
  generation: number;
  /**
   * What nginx runs with is what is published: the set, and the certificates as they are on disk. False after a crash
   * between swap and reload, after a certificate was written, and while it does not run.
   */
  loaded: boolean;
  /** Names of certificates that were written since nginx loaded them. */
  stale: readonly string[];
  /**
   * The program on disk is another one than the one that runs, as after an upgrade of its package. Not said of a program that was
   * tried and did not come up, until it is replaced or an hour has passed.
   */
  outdated?: boolean;
  /** What is on disk now, edits by hand included. */
  files: ConfigFiles;
  /** Names of the certificates on disk. */
  certificates: readonly string[];
  /** User that the workers should run as. undefined where nginx cannot change it, because it is not started by root. */
  workerUser?: string;
}

export interface RefusedConfig {
  /** Path as in ConfigFiles, where nginx named one of them. */
  file?: string;
  line?: number;
  /** nginx's own words. */
  message: string;
}

export type PublishResult = { ok: true; generation: number } | { ok: false; refused: RefusedConfig };

export interface NginxReading {
  /** Reads the disk and the process; never cached. */
  state(): Promise<NginxState>;
  /** A certificate on disk and its key; undefined where one of the two is missing, or they do not belong together. */
  certificate(name: string): Promise<PemPair | undefined>;
  /** Folder of the published set, as it stands in directives: symlink, not the generation behind it. */
  readonly folder: string;
  /** Folder of the certificates, as it stands in directives: <name>.pem and <name>.key. */
  readonly certificates: string;
}

export interface NginxWriting {
  /**
   * Stages, tests, swaps, and reloads where nginx runs. An identical set is tested and loaded, not written again. Answers
   * when the reload was taken. When nginx cannot take it (its test cannot see that a port belongs to somebody else), the set
   * before is put back and goes on serving; DriverError `conflict` for a port, `failed` for anything else.
   */
  publish(files: ConfigFiles): Promise<PublishResult>;
  /** Starts it with the published set. Running already is success. DriverError `conflict` when a port is taken, naming it. */
  start(): Promise<void>;
  /**
   * Puts the program on disk in the place of the one that runs, with the sockets of that one, so that nothing is refused meanwhile.
   * Up to date already is success. When the new one does not come up the old one goes on, and the answer says why.
   */
  upgrade(): Promise<{ ok: true } | { ok: false; message: string }>;
  /** Lets requests finish, then stops it. */
  stop(): Promise<void>;
  /** Writes a certificate chain and key (0600, atomically) where directives can name them; answers the paths. */
  writeCertificate(name: string, pem: PemPair): Promise<{ certificate: string; key: string }>;
  /**
   * Removes what was found under that name, `certificate(name)`; one that was written there since stays, and that is success. Gone
   * already is success, too.
   */
  removeCertificate(name: string, found: PemPair | undefined): Promise<void>;
}

export interface Nginx extends NginxReading, NginxWriting {
  /** Calls when files under the folder change or the process ends, until the signal aborts. May call too often. */
  follow(onChange: () => void, signal: AbortSignal): Promise<void>;
}
