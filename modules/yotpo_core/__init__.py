"""What several apps share of Yotpo's Core API. This is no app: its modules are those of ``yotpo_messaging``."""
