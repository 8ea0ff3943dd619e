/* placeholder */ typedef int sock_empty;
