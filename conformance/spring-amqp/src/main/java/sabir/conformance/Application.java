package sabir.conformance;

import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** An order desk: orders come in by topic, are accepted, fail for a while or for good, and are quoted on request. */
@SpringBootApplication
public class Application {

  @Bean
  Jackson2JsonMessageConverter converter() {
    return new Jackson2JsonMessageConverter();
  }
}
