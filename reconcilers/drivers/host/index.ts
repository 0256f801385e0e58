/**
 * The machine itself: listening ports, routes, folders, free room, and the note of what was pulled onto it. Writes only under the
 * state folder.
 */

export interface Listener {
  protocol: 'tcp' | 'udp';
  /** 0.0.0.0 and :: for all. */
  address: string;
  port: number;
  /** Program that listens, where it can be told. */
  program?: string;
  pid?: number;
}

export interface Route {
  /** CIDR. What stands for all the rest of the world is left out: 0.0.0.0/0, also in the pieces that a VPN makes of it. */
  destination: string;
  /** Such as tun0; "table 51820" for one that a rule leads to; "address" for an address of the machine itself. */
  interface: string;
}

/** A file system, as far as files can still be put there. */
export interface DiskRoom {
  /** The same for two folders on one file system. */
  device: number;
  totalBytes: number;
  /** What is left to programs that are not root. */
  freeBytes: number;
  totalFiles: number;
  freeFiles: number;
}

export interface FolderSize {
  name: string;
  bytes: number;
}

/** An image that came onto this machine by a pull of ours. */
export interface PulledImage {
  id: string;
  /** As it was asked for, in full. */
  reference: string;
}

export interface HostReading {
  listeners(): Promise<Listener[]>;
  /** Of all tables. */
  routes(): Promise<Route[]>;
  /** Whether the kernel can listen on ::1. */
  hasIpv6(): Promise<boolean>;
  hasAppArmorProfile(name: string): Promise<boolean>;
  /** Whether the kernel confines programs by AppArmor at all. */
  hasAppArmor(): Promise<boolean>;
  /** Folder exists and is a folder. */
  folderExists(path: string): Promise<boolean>;
  /** Names of the folders in a folder, sorted; none where it is missing. */
  foldersIn(path: string): Promise<string[]>;
  /** Text of a small file; undefined where there is none. Refuses paths outside the state folder. */
  readFile(path: string): Promise<string | undefined>;
  /** undefined where there is no such path. */
  room(path: string): Promise<DiskRoom | undefined>;
  /** What is in a folder, largest first, each with all that is in it on the same disk. Ends early in a folder of millions of files. */
  sizesIn(path: string): Promise<FolderSize[]>;
  pulledImages(): Promise<PulledImage[]>;
}

export interface HostWriting {
  /** Creates with mode where it is missing; leaves what is there as it is. Refuses paths outside the state folder. */
  ensureFolder(path: string, options: { mode: number }): Promise<void>;
  /** With everything in it; follows no link. Refuses paths outside the state folder's apps, addons and tls. */
  removeFolder(path: string): Promise<void>;
  /** Whole or not at all, in place of what is there. Refuses what removeFolder refuses. */
  writeFile(path: string, text: string, options: { mode: number }): Promise<void>;
  /** Gives a folder another name beside it. Gone already, with the new one there, is success. Refuses what removeFolder refuses. */
  renameFolder(from: string, to: string): Promise<void>;
  /** Twice is once. On disk when it answers. */
  notePulled(image: PulledImage): Promise<void>;
  forgetPulled(id: string): Promise<void>;
}

export interface Host extends HostReading, HostWriting {}
