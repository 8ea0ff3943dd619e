/* placeholder */ typedef int tcp_empty;
