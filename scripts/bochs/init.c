// The first process of the machine that scripts/bochs-run emulates: runs /program with the arguments and the environment that
// lie in /arguments and /environment, each ended by a zero byte, then says how it ended, and switches off.
#include <fcntl.h>
#include <stdio.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { MOST = 255 };

static char **strings(const char *path) {
  static char text[2][1 << 16];
  static char *at[2][MOST + 1];
  static int which;
  int file = open(path, O_RDONLY), count = 0;
  ssize_t length = file < 0 ? 0 : read(file, text[which], sizeof text[which] - 1);
  for (char *from = text[which]; from < text[which] + length && count < MOST; count++) {
    at[which][count] = from;
    while (*from++) {
    }
  }
  return at[which++];
}

int main(void) {
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mkdir("/tmp", 0755);
  if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") || mount("proc", "/proc", "proc", 0, "")) perror("mount");
  int port = open("/dev/ttyS0", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(port, fd);
  char **arguments = strings("/arguments"), **environment = strings("/environment");
  // The kernel's messages would come in between.
  klogctl(6, NULL, 0);
  pid_t child = fork();
  if (child == 0) {
    execve("/program", arguments, environment);
    perror("/program");
    _exit(127);
  }
  int status = 0;
  while (wait(&status) != child) {
  }
  printf("\nbochs-run: exit %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  fflush(stdout);
  tcdrain(1);
  // Bochs ends where this is written to its port 0x8900.
  if (iopl(3) == 0) {
    for (const char *c = "Shutdown"; *c; c++) outb(*c, 0x8900);
  }
  return 1;
}
