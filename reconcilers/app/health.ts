/** What is known of an App's health. The monitor that fills it is below. */
export interface Health {
  state: 'starting' | 'healthy' | 'unhealthy';
  /** The last answer, in words. */
  message: string;
  /** RFC 3339 of the last good answer. */
  lastHealthyAt?: string;
}

export interface HealthReading {
  /** undefined while nobody has asked yet. */
  of(appUid: string): Health | undefined;
}
