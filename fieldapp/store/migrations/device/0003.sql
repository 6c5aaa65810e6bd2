CREATE TABLE changes (
  seq INTEGER NOT NULL,
  stream VARCHAR NOT NULL,
  PRIMARY KEY (seq)
);
CREATE TRIGGER jobs_come AFTER INSERT ON jobs BEGIN INSERT INTO changes (stream) VALUES (NEW.stream); END;
CREATE TRIGGER jobs_change AFTER UPDATE ON jobs BEGIN INSERT INTO changes (stream) VALUES (NEW.stream); END;
CREATE TRIGGER jobs_go AFTER DELETE ON jobs BEGIN INSERT INTO changes (stream) VALUES (OLD.stream); END;
CREATE TRIGGER documents_come AFTER INSERT ON documents BEGIN INSERT INTO changes (stream) VALUES (NEW.stream); END;
CREATE TRIGGER documents_change AFTER UPDATE ON documents BEGIN INSERT INTO changes (stream) VALUES (NEW.stream); END;
CREATE TRIGGER documents_go AFTER DELETE ON documents BEGIN INSERT INTO changes (stream) VALUES (OLD.stream); END;
