/** The task `tidy`: removes entries without words, and says how many. */
import { openStorage } from './storage.mjs';

const storage = openStorage();
try {
  console.log(`tidy: removed ${await storage.tidy()}, ${await storage.count()} left`);
} catch (error) {
  console.log(`tidy: ${error.message}`);
  process.exitCode = 1;
} finally {
  await storage.close();
}
